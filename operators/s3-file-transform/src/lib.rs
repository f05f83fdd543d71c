//! Airflow's `S3FileTransformOperator`, for every object store, as a stream.

use airlock_operator_shell as shell;
use airlock_sdk::object_store::{Bucket, Location, PutOptions};
use airlock_sdk::prelude::*;

/// From where, by what, to where.
#[arguments]
struct S3FileTransform {
    /// The object that is read: `s3://bucket/key`, or a key in the connection's own bucket.
    source_s3_key: String,
    /// The object that is written.
    dest_s3_key: String,
    /// A shell script that reads the source on its standard input and writes the destination on its standard output.
    transform_script: String,
    /// The script's positional parameters, `$1` and on.
    #[serde(default)]
    script_args: Vec<String>,
    /// The connection to the source.
    #[serde(default = "aws_default")]
    source_aws_conn_id: String,
    /// The connection to the destination.
    #[serde(default = "aws_default")]
    dest_aws_conn_id: String,
    /// Whether an object that is already there is replaced. If not, it fails the task.
    #[serde(default)]
    replace: bool,
    /// The media type of the destination.
    #[serde(default)]
    content_type: Option<String>,
}

fn aws_default() -> String {
    "aws_default".into()
}

/// Makes an object of another one by a script.
///
/// The object passes through the script as a stream, and need not fit into memory unless a command of the script has to see all
/// of it. The destination appears, whole, when the script has succeeded; with any exit code but 0 nothing is written. The XCom
/// `return_value` has `key`, `size` and `etag` of the destination.
#[operator(
    name = "s3-file-transform",
    template_fields(source_s3_key, dest_s3_key, script_args, source_aws_conn_id, dest_aws_conn_id)
)]
fn s3_file_transform(arguments: S3FileTransform) -> Result<Value> {
    let from: Location = arguments.source_s3_key.parse().map_err(Error::fail)?;
    let to: Location = arguments.dest_s3_key.parse().map_err(Error::fail)?;
    let target = Bucket::open(&arguments.dest_aws_conn_id, to.bucket.as_deref())?;
    if !arguments.replace && target.head(&to.key)?.is_some() {
        return Err(Error::fail(format!("{to} is already there, and `replace` is not true")));
    }
    let source = Bucket::open(&arguments.source_aws_conn_id, from.bucket.as_deref())?.get(&from.key)?;
    log::info!("reading {from}, {} bytes", source.meta().size);
    let options = PutOptions { content_type: arguments.content_type, if_absent: !arguments.replace };
    let mut writer = target.put(&to.key, &options)?;

    let parameters: Vec<&str> = arguments.script_args.iter().map(String::as_str).collect();
    let exit_code = shell::filter(&arguments.transform_script, &parameters, source, |bytes| writer.write(bytes))?;
    if exit_code != 0 {
        return Err(Error::retry(format!("the script failed: it returned exit code {exit_code}; nothing is written")));
    }
    let written = writer.finish()?;
    log::info!("wrote {to}, {} bytes", written.size);
    Ok(json!({ "key": to.to_string(), "size": written.size, "etag": written.etag }))
}

#[cfg(test)]
mod tests;
