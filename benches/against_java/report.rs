//! The figures and their table.

use crate::contestant::Kind;
use crate::plan::Plan;

/// What a figure of ours is held against.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this part of Java's.
    Ratio(f64),
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// Shown, not judged.
    None,
}

/// One line of the table, for one broker.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// In which unit.
    pub unit: &'static str,
    /// All measurements; the median is shown.
    pub samples: Vec<f64>,
    /// What ours should reach.
    pub goal: Goal,
}

impl Figure {
    /// A figure measured once.
    pub fn new(what: &str, unit: &'static str, value: f64, goal: Goal) -> Figure {
        Figure { what: what.to_owned(), unit, samples: vec![value], goal }
    }

    fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Adds a round's figures to those of the rounds before.
pub fn merge(figures: &mut Vec<Figure>, round: Vec<Figure>) {
    if figures.is_empty() {
        *figures = round;
        return;
    }
    for (figure, more) in figures.iter_mut().zip(round) {
        figure.samples.extend(more.samples);
    }
}

/// The markdown table: a column per broker and, with two of them, the ratio of the first to the second.
pub fn table(kinds: &[Kind], results: &[Vec<Figure>], plan: &Plan) -> String {
    let both = kinds.len() == 2;
    let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    let mut text = format!(
        "Medians of {} round(s), {} MB of values per case (a fifth of it for 100 B).\n\n| measured | unit | {} |{}\n|---|---|{}{}\n",
        plan.rounds,
        plan.case_bytes / 1_000_000,
        names.join(" | "),
        if both { " ratio | goal |" } else { "" },
        "---:|".repeat(kinds.len()),
        if both { "---:|---|" } else { "" },
    );
    for (number, first) in results.first().into_iter().flatten().enumerate() {
        let medians: Vec<f64> = results.iter().filter_map(|figures| figures.get(number)).map(Figure::median).collect();
        let shown: Vec<String> = medians.iter().map(|median| rounded(*median)).collect();
        text.push_str(&format!("| {} | {} | {} |", first.what, first.unit, shown.join(" | ")));
        if let [ours, theirs] = medians[..] {
            let ratio = ours / theirs;
            text.push_str(&format!(" {} | {} |", rounded(ratio), verdict(first.goal, ours, ratio)));
        }
        text.push('\n');
    }
    text
}

fn verdict(goal: Goal, ours: f64, ratio: f64) -> String {
    let (limit, met) = match goal {
        Goal::Ratio(limit) => (format!("ratio ≤ {limit}"), ratio <= limit),
        Goal::AtMost(limit) => (format!("≤ {limit}"), ours <= limit),
        Goal::None => return String::new(),
    };
    format!("{limit}: {}", if met { "met" } else { "missed" })
}

/// Three digits that mean something, no more.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
