//! One suite for every implementation. Each case is an asynchronous function over a fresh, migrated, empty store;
//! [`crate::conformance!`] makes a test of each. A method of a trait is not done before a case here relies on it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test suite, compiled only for tests")]

pub mod driving;
pub mod fixture;

/// Makes a test of every case. The argument is an asynchronous function without arguments that answers something which
/// dereferences to a fresh store and cleans up when it is dropped.
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::conformance! { @ $make;
            driving: [
                a_run_goes_from_its_creation_to_its_end,
            ]
        }
    };
    (@ $make:path; $($noun:ident: [$($case:ident),* $(,)?])*) => {
        $(mod $noun {
            $(#[tokio::test]
            async fn $case() {
                let store = $make().await;
                $crate::conformance::$noun::$case(&*store).await;
            })*
        })*
    };
}
