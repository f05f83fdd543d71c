use airlock_core::id::RunKey;

/// A run that may go, and how many task instances go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub run: RunKey,
    pub dag_id: String,
    pub instances: u64,
}

/// The first of these runs that together have no more than `limit` rows: at least one, for a run goes whole.
pub fn fitting(mut candidates: Vec<Candidate>, limit: u32) -> Vec<Candidate> {
    let mut rows = 0;
    let fits = candidates.iter().take_while(|candidate| {
        rows += 1 + candidate.instances;
        rows <= u64::from(limit)
    });
    let count = fits.count().max(1);
    candidates.truncate(count);
    candidates
}
