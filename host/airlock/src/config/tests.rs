use std::collections::BTreeMap;
use std::io::Write;

use super::{Config, Origin, Sources};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = file("worker_slots = 3\ngrace = 4\nqueues = [\"heavy\", \"light\"]\n");
    let config = Config::load(&Sources {
        file: Some(file.path().to_owned()),
        environment: environment(&[("AIRLOCK_GRACE", "5"), ("AIRLOCK_LISTEN", "127.0.0.1:1"), ("PATH", "x")]),
        flags: vec![("listen", "127.0.0.1:2".to_owned())],
    })
    .unwrap();

    assert_eq!(config.worker_slots().unwrap(), 3);
    assert_eq!(config.grace().unwrap().as_secs(), 5);
    assert_eq!(config.listen().unwrap().port(), 2);
    assert_eq!(config.queues(), ["heavy", "light"]);
    assert_eq!(config.log(), "info");
    let origins: BTreeMap<&str, Origin> =
        config.entries().filter_map(|(key, value)| Some((key.name, value?.origin.clone()))).collect();
    assert_eq!(origins["worker_slots"], Origin::File(file.path().to_owned()));
    assert_eq!(origins["grace"], Origin::Environment("AIRLOCK_GRACE".to_owned()));
    assert_eq!(origins["listen"], Origin::Flag("--listen".to_owned()));
    assert_eq!(origins["log"], Origin::Default);
}

#[test]
fn unknown_names_are_faults_and_all_are_told() {
    let file = file("worker_slot = 3\nhome = { a = 1 }\n");
    let fault = Config::load(&Sources {
        file: Some(file.path().to_owned()),
        environment: environment(&[("AIRLOCK_LISTN", "127.0.0.1:1"), ("AIRLOCK_SOMETHING_ELSE", "")]),
        flags: Vec::new(),
    })
    .unwrap_err()
    .to_string();

    assert!(fault.contains("did you mean `worker_slots`?"), "{fault}");
    assert!(fault.contains("`home` in"), "{fault}");
    assert!(fault.contains("AIRLOCK_LISTN in the environment is no setting; did you mean `listen`?"), "{fault}");
    assert!(
        fault.contains("AIRLOCK_SOMETHING_ELSE in the environment is no setting\n") || fault.ends_with("is no setting"),
        "{fault}"
    );
}

#[test]
fn a_value_that_cannot_be_read_names_its_origin() {
    let fault =
        Config::load(&Sources { environment: environment(&[("AIRLOCK_WORKER_SLOTS", "many")]), ..Sources::default() })
            .unwrap_err()
            .to_string();

    assert_eq!(
        fault,
        "the setting `worker_slots` is `many` (environment AIRLOCK_WORKER_SLOTS); it must be a number from 1 to 10000"
    );
}
