//! Record batches: read, validate, iterate, build, compress.
