//! Encryption of secrets at rest: XChaCha20-Poly1305 under a ring of keys.
