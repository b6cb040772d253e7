//! Training steps (forward, backward, Adam) of small networks over our kernels and over burn's own operations: the bar is a ratio of 3.5.
//!
//! ```text
//! cargo bench --bench main -- learning_step > ours.txt
//! python3 benches/peers/learning_speed.py --ours ours.txt      # beside PyTorch
//! ```

mod nets;

use burn::tensor::Device;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use nets::{Conv3d, Net, OneGru, Ops, Rim, Trainer, Unet2d};

fn both<N: Net>(group: &mut BenchmarkGroup<WallTime>, name: &str, net: impl Fn() -> N) {
    for (ops, whose) in [(Ops::Kernels, "kernels"), (Ops::Burn, "burn")] {
        let mut trainer = Trainer::new(net(), ops);
        group.bench_function(format!("{name} {whose}"), |b| b.iter(|| trainer.step()));
    }
}

/// The group.
pub fn learning(c: &mut Criterion) {
    let device = Device::flex().autodiff();
    let mut group = c.benchmark_group("learning_step");
    group.sample_size(10);
    both(&mut group, "unet2d", || Unet2d::new(&device));
    both(&mut group, "conv3d", || Conv3d::new(&device));
    both(&mut group, "gru", || OneGru::new(&device));
    both(&mut group, "rim batch 4", || Rim::new(4, &device));
    let mut trainer = Trainer::new(Rim::new(8, &device), Ops::Kernels);
    group.bench_function("rim batch 8 kernels", |b| b.iter(|| trainer.step()));
    group.finish();
}
