//! Which instruction sets kernels may use: those of the processor, unless an environment variable caps them.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

/// The environment variable that caps the instruction sets: `portable`, `avx2` or `avx512`. For tests, and to find out whether
/// a result depends on the processor; read once.
pub const CAP: &str = "PG_ZVEC_INSTRUCTIONS";

/// Instruction sets, each with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// what every processor has
    Portable,
    /// AVX2 with F16C and FMA
    Avx2,
    /// AVX-512
    Avx512,
}

impl Instructions {
    /// Every set.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];
}

/// The most that the processor has, of these sets.
#[must_use]
pub fn of_processor() -> Instructions {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
        if avx2 && is_x86_feature_detected!("fma") {
            return if is_x86_feature_detected!("avx512f") { Instructions::Avx512 } else { Instructions::Avx2 };
        }
    }
    Instructions::Portable
}

/// The most that kernels may use: what the processor has and [`CAP`] allows.
#[inline]
#[must_use]
pub fn allowed() -> Instructions {
    static ALLOWED: OnceLock<Instructions> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let cap = match std::env::var(CAP).as_deref() {
            Ok("portable") => Instructions::Portable,
            Ok("avx2") => Instructions::Avx2,
            _ => Instructions::Avx512,
        };
        cap.min(of_processor())
    })
}
