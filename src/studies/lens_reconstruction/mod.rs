//! Lens reconstruction: source and mass of a galaxy-scale lens from one image.
