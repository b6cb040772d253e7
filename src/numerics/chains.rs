//! Have the chains of a sampler converged, and how many independent draws are they worth: rank-normalised split R-hat and effective sample size
//! (Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021, Bayesian Analysis 16, 667).

/// What the chains of one quantity say about themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convergence {
    /// Rank-normalised split R-hat, the larger of that of the values and of their distances from the median. Below 1.01 is converged.
    pub r_hat: f64,
    /// Bulk effective sample size: worth of the draws for means. Above 400 is safe.
    pub bulk_ess: f64,
    /// Tail effective sample size: the smaller of those of the 5 % and the 95 % quantile.
    pub tail_ess: f64,
}

/// Convergence of one quantity: `chains` of equal length (at least 4 draws each). NaN when there is nothing to judge.
pub fn convergence(chains: &[Vec<f64>]) -> Convergence {
    if chains.iter().any(|c| c.len() != chains[0].len()) {
        return Convergence { r_hat: f64::NAN, bulk_ess: f64::NAN, tail_ess: f64::NAN };
    }
    let halves = split(chains);
    let ranked = normal_scores(&halves);
    let median = quantile(&halves, 0.5);
    let folded: Vec<Vec<f64>> = halves.iter().map(|c| c.iter().map(|v| (v - median).abs()).collect()).collect();
    let tail = |p: f64| {
        let limit = quantile(&halves, p);
        effective_size(
            &halves.iter().map(|c| c.iter().map(|v| f64::from(u8::from(*v <= limit))).collect()).collect::<Vec<_>>(),
        )
    };
    Convergence {
        r_hat: r_hat(&ranked).max(r_hat(&normal_scores(&folded))),
        bulk_ess: effective_size(&ranked),
        tail_ess: tail(0.05).min(tail(0.95)),
    }
}

/// Each chain cut into two, the middle draw of an odd number left out.
fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    chains
        .iter()
        .flat_map(|c| {
            let half = c.len() / 2;
            [c[..half].to_vec(), c[c.len() - half..].to_vec()]
        })
        .collect()
}

/// Every value replaced by the normal deviate of its rank among all (ties share the mean rank).
fn normal_scores(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let total: usize = chains.iter().map(Vec::len).sum();
    let mut order: Vec<(f64, usize, usize)> =
        chains.iter().enumerate().flat_map(|(k, c)| c.iter().enumerate().map(move |(i, v)| (*v, k, i))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<Vec<f64>> = chains.iter().map(|c| vec![0.0; c.len()]).collect();
    let mut start = 0;
    while start < order.len() {
        let end = start + order[start..].iter().take_while(|o| o.0.total_cmp(&order[start].0).is_eq()).count();
        let rank = 0.5 * (start + 1 + end) as f64;
        let score = normal_quantile((rank - 0.375) / (total as f64 + 0.25));
        for (_, k, i) in &order[start..end] {
            out[*k][*i] = score;
        }
        start = end;
    }
    out
}

fn quantile(chains: &[Vec<f64>], p: f64) -> f64 {
    let mut all: Vec<f64> = chains.iter().flatten().copied().collect();
    if all.is_empty() {
        return f64::NAN;
    }
    all.sort_by(f64::total_cmp);
    let place = p * (all.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(all.len() - 1);
    all[below] + (place - below as f64) * (all[above] - all[below])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Variance within the chains and the pooled estimate of the variance.
fn variances(chains: &[Vec<f64>]) -> (f64, f64) {
    let (m, n) = (chains.len() as f64, chains[0].len() as f64);
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let within = chains
        .iter()
        .zip(&means)
        .map(|(c, mean)| c.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0))
        .sum::<f64>()
        / m;
    let grand = mean(&means);
    let between = if m > 1.0 { n * means.iter().map(|v| (v - grand).powi(2)).sum::<f64>() / (m - 1.0) } else { 0.0 };
    (within, (n - 1.0) / n * within + between / n)
}

fn r_hat(chains: &[Vec<f64>]) -> f64 {
    if chains.first().is_none_or(|c| c.len() < 2) {
        return f64::NAN;
    }
    let (within, pooled) = variances(chains);
    (pooled / within).sqrt()
}

/// Effective number of independent draws, by the autocorrelations up to the first negative pair (Geyer's initial monotone sequence).
fn effective_size(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len);
    if n < 4 {
        return f64::NAN;
    }
    let (m, length) = (chains.len() as f64, n as f64);
    let (within, pooled) = variances(chains);
    if pooled == 0.0 || !pooled.is_finite() {
        return f64::NAN;
    }
    let centred: Vec<Vec<f64>> = chains
        .iter()
        .map(|c| {
            let mean = mean(c);
            c.iter().map(|v| v - mean).collect()
        })
        .collect();
    let correlation = |lag: usize| {
        let covariance =
            centred.iter().map(|c| c[lag..].iter().zip(c).map(|(a, b)| a * b).sum::<f64>() / length).sum::<f64>() / m;
        1.0 - (within * (length - 1.0) / length - covariance) / pooled
    };
    let (mut sum, mut before) = (0.0, f64::INFINITY);
    let mut lag = 0;
    while lag + 1 < n {
        let pair = correlation(lag) + correlation(lag + 1);
        if pair < 0.0 {
            break;
        }
        before = before.min(pair);
        sum += before;
        lag += 2;
    }
    let time = (2.0 * sum - 1.0).max(1.0 / (m * length).log10());
    m * length / time
}

/// Inverse of the normal distribution function (Acklam's rational approximation, relative error 1.2e-9).
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let polynomial = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    fn autoregressive(rho: f64, chains: usize, n: usize, shift: f64) -> Vec<Vec<f64>> {
        (0..chains)
            .map(|k| {
                let mut rng = random::stream(5, "chain", k as u64);
                let mut value = random::normal(&mut rng);
                (0..n)
                    .map(|_| {
                        value = rho * value + (1.0 - rho * rho).sqrt() * random::normal(&mut rng);
                        value + shift * k as f64
                    })
                    .collect()
            })
            .collect()
    }

    /// An autoregressive chain of coefficient rho is worth `n (1 - rho) / (1 + rho)` draws.
    #[test]
    fn effective_size_is_that_of_an_autoregressive_chain() {
        for rho in [0.0, 0.5, 0.9] {
            let found = convergence(&autoregressive(rho, 4, 5000, 0.0));
            let expected = 20_000.0 * (1.0 - rho) / (1.0 + rho);
            assert!((found.bulk_ess / expected - 1.0).abs() < 0.15, "{rho}: {found:?} {expected}");
            assert!(found.r_hat < 1.01 && found.r_hat > 0.999, "{found:?}");
            assert!(found.tail_ess > 0.3 * expected);
        }
    }

    #[test]
    fn chains_that_disagree_are_told() {
        let found = convergence(&autoregressive(0.0, 4, 1000, 0.5));
        assert!(found.r_hat > 1.1 && found.bulk_ess < 100.0, "{found:?}");
        // Same mean, other width: only the folded form sees it.
        let mut chains = autoregressive(0.0, 4, 1000, 0.0);
        for v in &mut chains[0] {
            *v *= 4.0;
        }
        assert!(convergence(&chains).r_hat > 1.05);
    }

    #[test]
    fn constant_or_short_chains_are_not_judged() {
        assert!(convergence(&[vec![1.0; 100], vec![1.0; 100]]).bulk_ess.is_nan());
        assert!(convergence(&[vec![1.0, 2.0]]).bulk_ess.is_nan());
        assert!(convergence(&[vec![1.0; 9], (0..12).map(f64::from).collect()]).r_hat.is_nan());
        assert!(convergence(&[]).r_hat.is_nan());
    }

    #[test]
    fn normal_quantiles_are_known() {
        for (p, z) in
            [(0.5, 0.0), (0.841_344_746_068_542_9, 1.0), (0.975, 1.959_963_984_540_054), (1e-6, -4.753_424_308_822_899)]
        {
            assert!((normal_quantile(p) - z).abs() < 3e-9 * (1.0 + z.abs()), "{p}: {}", normal_quantile(p));
        }
        assert!(normal_quantile(1.1).is_nan());
    }
}
