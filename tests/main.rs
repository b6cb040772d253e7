//! One test binary; one file a promise.
#![allow(clippy::unwrap_used)] // clippy lets only functions marked as tests unwrap

mod cli_demo;
mod cli_folders;
mod cli_repeat;
mod cli_support;
mod cli_usage;
mod fits_cfitsio;
mod fits_compressed;
mod fits_corpus;
mod fits_info;
mod fits_meanings;
mod fits_mutants;
mod fits_mutation;
mod fits_pixels;
mod fits_support;
mod fits_tables;
mod fits_wcs;
mod fits_writing;
mod house_arrows;
mod lens_blind_fit;
mod lens_tasks;
mod numerics_contour;
mod painter;
mod plots_image_view;
mod plots_labels;
mod plots_pictures;
mod plots_sky_grid;
mod ui_compare;
mod ui_cube;
mod ui_image;
mod ui_panels;
mod ui_stories;
mod ui_support;
mod workers_jobs;
mod workers_queries;
