//! One test binary; one file a promise.
#![allow(clippy::unwrap_used)] // helpers of tests fail the test, as tests do
mod cli_folders;
mod cli_repeat;
mod cli_support;
mod cli_usage;
mod workers_jobs;
mod workers_queries;
