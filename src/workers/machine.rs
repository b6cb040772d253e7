//! What the machine has: cores, memory, instruction sets, and the processor time used so far.

/// Number of cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the machine (or the container) has.
    pub total: u64,
    /// What could be taken now without swapping.
    pub available: u64,
}

/// Memory of the machine; `None` where it is not known (systems other than Linux).
pub fn memory() -> Option<Memory> {
    #[cfg(target_os = "linux")]
    {
        let memory = parse_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
        // A container may have less than the machine.
        let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|t| t.trim().parse().ok());
        let limit = limit.unwrap_or(u64::MAX);
        Some(Memory { total: memory.total.min(limit), available: memory.available.min(limit) })
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(any(target_os = "linux", test))]
fn parse_meminfo(text: &str) -> Option<Memory> {
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let total = kibibytes("MemTotal")? * 1024;
    let available = kibibytes("MemAvailable").map_or(total, |k| k * 1024);
    Some(Memory { total, available })
}

/// Bytes of memory that this process holds now (resident set); `None` on systems other than Linux.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Processor seconds that all threads of this process have used so far, to 0.01 s; `None` on systems other than Linux.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        parse_stat(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Fields 14 and 15 of proc(5) `stat`, in ticks of which Linux gives user space 100 a second on every architecture.
#[cfg(any(target_os = "linux", test))]
fn parse_stat(text: &str) -> Option<f64> {
    // The program's name stands in brackets and may hold spaces and brackets itself.
    let after_name = text.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks = |field: Option<&str>| field?.parse::<f64>().ok();
    Some((ticks(fields.next())? + ticks(fields.next())?) / 100.0)
}

/// The instruction sets that numeric code may choose from. Results are bit-equal only on the same level.
pub fn cpu_level() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let v3 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("f16c");
        let v4 = v3
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let v2 = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt");
        let level = if v4 {
            "x86-64-v4"
        } else if v3 {
            "x86-64-v3"
        } else if v2 {
            "x86-64-v2"
        } else {
            "x86-64"
        };
        level.into()
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        let text = "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    400 kB\n";
        assert_eq!(parse_meminfo(text), Some(Memory { total: 1_024_000, available: 409_600 }));
        assert_eq!(parse_meminfo("nothing"), None);
    }

    #[test]
    fn stat_is_read_past_a_strange_program_name() {
        let text = "12 (a) b (c)) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(parse_stat(text), Some(2.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_answers() {
        let memory = memory().unwrap();
        assert!(memory.available <= memory.total && memory.total > 1 << 20);
        assert!(resident_bytes().unwrap() > 1 << 20 && resident_bytes().unwrap() < memory.total);
        let before = cpu_seconds().unwrap();
        let mut sum = 0.0_f64;
        while cpu_seconds().unwrap() < before + 0.02 {
            sum += f64::from(u16::MAX).sqrt();
        }
        assert!(sum > 0.0);
    }
}
