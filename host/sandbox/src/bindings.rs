//! What `wit/` says, as Rust: generated, and only mapped to the types of this crate here.
//!
//! Calls that only read what is in memory are synchronous: an asynchronous one costs a suspension of the guest. Every
//! call may trap, which is how a limit ends a try from within a host call.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "operator",
    imports: {
        "airlock:operator/context": trappable,
        "airlock:operator/log": trappable,
        "airlock:operator/http.[method]response.status": trappable,
        "airlock:operator/http.[method]response.headers": trappable,
        "airlock:operator/http.[method]response.url": trappable,
        "airlock:operator/sql.[method]session.dialect": trappable,
        "airlock:operator/sql.[method]rows.columns": trappable,
        "airlock:operator/object-store.[method]reader.meta": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "airlock:operator/http.response": crate::host::http::Response,
        "airlock:operator/sql.session": crate::host::sql::Session,
        "airlock:operator/sql.rows": crate::host::sql::Rows,
        "airlock:operator/object-store.bucket": crate::host::object_store::Bucket,
        "airlock:operator/object-store.reader": crate::host::object_store::Reader,
        "airlock:operator/object-store.writer": crate::host::object_store::Writer,
    },
});
