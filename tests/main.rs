//! The integration tests of the program, one file a promise.

mod plots_image_view;
mod plots_labels;
mod plots_pictures;
