//! What a run needs, said in words, and refused when the machine has less.

use crate::tasks::Cost;
use crate::workers::machine::Memory;

/// Refuses what the machine cannot hold; where its memory is not known nothing is refused.
///
/// # Errors
/// One line with both sizes and the cure.
pub fn afford(task: &str, cost: &Cost, memory: Option<Memory>) -> Result<(), String> {
    match memory {
        Some(memory) if cost.bytes > memory.total => Err(format!(
            "{task}: needs {} of memory, this machine has {}; ask for less (smaller grid, fewer samples)",
            bytes(cost.bytes),
            bytes(memory.total)
        )),
        _ => Ok(()),
    }
}

/// What a run needs, in words.
pub fn words(cost: &Cost) -> String {
    format!("about {} of memory and {} of one core", bytes(cost.bytes), duration(cost.seconds))
}

/// A size in decimal units with two or three digits, e.g. `1.2 GB`.
#[allow(clippy::cast_precision_loss)] // for reading
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return if value < 10.0 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A time as people say it, e.g. `45 s` or `2.5 h`.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "less than 1 s".into()
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_larger_than_the_machine_is_refused_with_both_sizes() {
        let memory = Some(Memory { total: 8_000_000_000, available: 1 });
        let cost = |bytes| Cost { bytes, seconds: 1.0 };
        assert_eq!(afford("a.fit", &cost(7_900_000_000), memory), Ok(()));
        assert_eq!(afford("a.fit", &cost(u64::MAX), None), Ok(()));
        let error = afford("a.fit", &cost(64_000_000_000), memory).unwrap_err();
        assert_eq!(
            error,
            "a.fit: needs 64 GB of memory, this machine has 8.0 GB; ask for less (smaller grid, fewer samples)"
        );
    }

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!([bytes(12), bytes(1_200), bytes(34_000_000), bytes(999_600)], ["12 B", "1.2 kB", "34 MB", "1.0 MB"]);
        assert_eq!(
            [duration(0.2), duration(45.0), duration(300.0), duration(9000.0)],
            ["less than 1 s", "45 s", "5 min", "2.5 h"]
        );
    }
}
