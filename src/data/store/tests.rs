use ndarray::Array;

use super::super::{Plane, write_planes};
use super::*;

fn cube() -> ArrayD<f32> {
    Array::from_shape_fn((3, 4, 5), |(z, y, x)| (z * 100 + y * 10 + x) as f32).into_dyn()
}

fn write(path: &Path, pixels: &ArrayD<f32>) {
    let plane = Plane { name: "SCI", pixels: pixels.view(), unit: "Jy", keywords: Vec::new() };
    write_planes(path, &[plane], &[]).unwrap();
}

#[test]
fn a_file_has_one_number_and_its_pixels_are_shared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    write(&path, &cube());
    let store = Store::new(1 << 20);
    let id = store.open(&path).unwrap();
    assert_eq!(store.open(&path).unwrap(), id);
    let plane = store.plane(id, 0, 1).unwrap();
    assert_eq!(plane[[2, 3]], 123.0);
    assert!(Arc::ptr_eq(&plane, &store.plane(id, 0, 1).unwrap()));
    assert!(store.image(id, 0).unwrap_err().to_string().contains("3 planes"));
    assert_eq!(store.spectrum(id, 0, 2, 3).unwrap().to_vec(), [23.0, 123.0, 223.0]);
    let list = store.list();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].hdus[0].shape, [3, 4, 5]);
    assert_eq!(list[0].hdus[0].unit, "Jy");
}

#[test]
fn the_cache_keeps_to_its_budget_and_drops_what_is_unused_for_longest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    write(&path, &cube());
    let one = 80 + OVERHEAD_BYTES;
    let store = Store::new(2 * one + 10);
    let id = store.open(&path).unwrap();
    let first = store.plane(id, 0, 0).unwrap();
    let second = store.plane(id, 0, 1).unwrap();
    assert!(Arc::ptr_eq(&first, &store.plane(id, 0, 0).unwrap()));
    store.plane(id, 0, 2).unwrap();
    assert_eq!(store.cached_bytes(), 2 * one);
    assert!(Arc::ptr_eq(&first, &store.plane(id, 0, 0).unwrap()));
    assert!(!Arc::ptr_eq(&second, &store.plane(id, 0, 1).unwrap()));
    // Larger than the whole budget: given, not kept, and nothing is pushed out for it.
    let store = Store::new(one);
    let id = store.open(&path).unwrap();
    store.plane(id, 0, 0).unwrap();
    assert_eq!(store.array(id, 0).unwrap().len(), 60);
    assert_eq!(store.cached_bytes(), one);
}

#[test]
fn tiles_and_spectra_are_cached_with_the_planes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    write(&path, &cube());
    let store = Store::new(1 << 20);
    let file = store.open(&path).unwrap();
    let result = store.insert("cube", cube(), "Jy", None);
    let tile = ImageTile { plane: 2, rows: [1, 4], columns: [3, 5] };
    for id in [file, result] {
        let found = store.tile(id, 0, tile).unwrap();
        assert_eq!(*found, ndarray::arr2(&[[213.0, 214.0], [223.0, 224.0], [233.0, 234.0]]));
        assert!(Arc::ptr_eq(&found, &store.tile(id, 0, tile).unwrap()));
        let spectrum = store.spectrum(id, 0, 3, 4).unwrap();
        assert_eq!(spectrum.to_vec(), [34.0, 134.0, 234.0]);
        assert!(Arc::ptr_eq(&spectrum, &store.spectrum(id, 0, 3, 4).unwrap()));
        for outside in
            [ImageTile { plane: 3, ..tile }, ImageTile { rows: [1, 5], ..tile }, ImageTile { columns: [3, 2], ..tile }]
        {
            let error = store.tile(id, 0, outside).unwrap_err().to_string();
            assert!(error.contains("does not lie inside"), "{error}");
        }
    }
    assert_eq!(store.cached_bytes(), 2 * (6 * 4 + 3 * 4 + 2 * OVERHEAD_BYTES));
}

#[test]
fn what_a_full_cache_drops_is_always_the_oldest() {
    let store = Store::new(100 * (12 + OVERHEAD_BYTES));
    let pixels = Array::from_shape_fn((3, 40, 50), |(z, y, x)| (z * 10_000 + y * 100 + x) as f32).into_dyn();
    let id = store.insert("cube", pixels, "", None);
    let first = store.spectrum(id, 0, 0, 0).unwrap();
    for i in 1..2000 {
        store.spectrum(id, 0, i / 50, i % 50).unwrap();
        // Used again and again, it stays.
        assert!(Arc::ptr_eq(&first, &store.spectrum(id, 0, 0, 0).unwrap()));
        assert!(store.cached_bytes() <= 100 * (12 + OVERHEAD_BYTES));
    }
    let inner = store.lock();
    assert_eq!((inner.cache.len(), inner.by_use.len()), (100, 100));
}

#[test]
fn a_changed_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    write(&path, &cube());
    let store = Store::new(1 << 20);
    let id = store.open(&path).unwrap();
    assert_eq!(store.plane(id, 0, 0).unwrap()[[0, 0]], 0.0);
    assert!(!store.refresh(id).unwrap());
    let long = Array::from_elem((30, 40, 50), 7.0f32).into_dyn();
    write(&path, &long);
    assert_eq!(store.plane(id, 0, 0).unwrap()[[0, 0]], 7.0);
    assert_eq!(store.revision(id), Some(1));
    assert_eq!(store.entry(id).unwrap().hdus[0].shape, [30, 40, 50]);
    std::fs::remove_file(&path).unwrap();
    assert!(store.refresh(id).is_err());
    assert_eq!(store.plane(id, 0, 1).unwrap()[[0, 0]], 7.0);
}

#[test]
fn results_are_held_until_removed() {
    let store = Store::new(1 << 20);
    let id = store.insert("convergence", cube(), "", Some(0.05));
    assert_eq!(store.plane(id, 0, 2).unwrap()[[3, 4]], 234.0);
    assert!(store.plane(id, 0, 3).is_err());
    assert!(store.plane(id, 1, 0).is_err());
    assert_eq!(store.spectrum(id, 0, 1, 4).unwrap().to_vec(), [14.0, 114.0, 214.0]);
    assert!(store.spectrum(id, 0, 4, 0).is_err());
    assert!(store.image(id, 0).is_err());
    let flat = store.insert("flat", Array::from_elem((1, 2, 3), 1.5f32).into_dyn(), "Jy", None);
    assert_eq!(store.image(flat, 0).unwrap().dim(), (2, 3));
    assert!(store.file(id).is_err());
    assert!(store.remove(id));
    assert_eq!(store.array(id, 0).unwrap_err().problem, Problem::Gone);
    assert_eq!(store.list().len(), 1);
}

#[test]
fn many_threads_share_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    write(&path, &cube());
    let store = Arc::new(Store::new(2 * (80 + OVERHEAD_BYTES)));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (store, path) = (store.clone(), path.clone());
            std::thread::Builder::new()
                .name(format!("reader {n}"))
                .spawn(move || {
                    let id = store.open(&path).unwrap();
                    for i in 0..50 {
                        assert_eq!(store.plane(id, 0, i % 3).unwrap()[[0, 0]], ((i % 3) * 100) as f32);
                    }
                    id
                })
                .unwrap()
        })
        .collect();
    let ids: Vec<DataId> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(ids.iter().all(|&id| id == ids[0]));
    assert!(store.cached_bytes() <= 2 * (80 + OVERHEAD_BYTES));
}

#[test]
fn an_unpacked_file_counts_and_memory_is_given_back() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("cube.fits");
    write(&plain, &cube());
    let packed = folder.path().join("cube.fits.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&plain).unwrap()).unwrap();
    std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let unpacked = std::fs::metadata(&plain).unwrap().len();

    let one = 80 + OVERHEAD_BYTES;
    let store = Store::new(unpacked + 2 * one);
    let id = store.open(&packed).unwrap();
    assert_eq!(store.unpacked_bytes(), unpacked);
    for plane in 0..3 {
        store.plane(id, 0, plane).unwrap();
    }
    assert_eq!(store.cached_bytes(), 2 * one, "the pixels have what the unpacked file leaves");
    store.set_budget(unpacked + one);
    assert_eq!(store.cached_bytes(), one, "a smaller budget acts at once");
    assert_eq!(store.free(), one);
    assert_eq!(store.cached_bytes(), 0);
    let result = store.insert("map", cube(), "Jy", None);
    assert_eq!(store.result_bytes(), 240);
    store.remove(result);
    store.remove(id);
    assert_eq!((store.unpacked_bytes(), store.result_bytes()), (0, 0));
}
