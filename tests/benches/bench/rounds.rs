//! The figures of many rounds, and how they compare with those of an alternative in the same rounds.

/// One figure a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

/// The middle of some figures, and between what half of them lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Rounds {
    /// A figure of which there is one alone.
    pub(crate) fn once(figure: f64) -> Self {
        Self(vec![figure])
    }

    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn middle(&self) -> Middle {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        // Figures that were measured, not some between them; and half of all at least.
        let last = (sorted.len() - 1) as f64;
        Middle {
            median: sorted[(last * 0.5).round() as usize],
            low: sorted[(last * 0.25).floor() as usize],
            high: sorted[(last * 0.75).ceil() as usize],
        }
    }

    /// What is left of each round without that of another measure.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(figure, less)| figure - less).collect()
    }

    /// How they compare, round by round: a slow moment of the machine has hit both of a round. Where
    /// the rounds are not the same, the medians are compared.
    pub(crate) fn ratio(&self, other: &Self) -> Option<Middle> {
        let pairs = if self.0.len() == other.0.len() {
            Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
        } else {
            Self::once(self.middle().median / other.middle().median)
        };
        let ratio = pairs.middle();
        ratio.median.is_finite().then_some(ratio)
    }

    /// Whether there is a spread to tell of.
    pub(crate) fn are_many(&self) -> bool {
        self.0.len() > 1
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<T: IntoIterator<Item = f64>>(figures: T) -> Self {
        Self(figures.into_iter().collect())
    }
}
