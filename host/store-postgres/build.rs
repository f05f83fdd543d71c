//! `sqlx::migrate!` embeds the migrations; a new file there is to be noticed.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
