//! The figures and their table.

use crate::contestant::Kind;
use crate::load::Plan;

/// What a figure of ours is held against.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this part of Apache's.
    Ratio(f64),
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// Shown, not judged.
    None,
}

/// One line of the table, for one server.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// In which unit.
    pub unit: &'static str,
    /// The figure.
    pub value: f64,
    /// What ours should reach.
    pub goal: Goal,
}

/// The markdown table: a column per server and, with two of them, the ratio of the first to the second.
pub fn table(kinds: &[Kind], results: &[Vec<Figure>], plan: &Plan) -> String {
    let mut text = format!(
        "{} znodes, {} gets, {} multiReads, {} changes seen by {} sessions.\n\n| measured | unit |",
        plan.znodes, plan.gets, plan.multi_reads, plan.changes, plan.sessions
    );
    kinds.iter().for_each(|kind| text.push_str(&format!(" {kind} |")));
    let both = kinds.len() == 2;
    text.push_str(if both { " ratio | goal |\n|---|---|---:|---:|---:|---|\n" } else { "\n|---|---|---:|\n" });
    for (number, first) in results.first().into_iter().flatten().enumerate() {
        let values: Vec<f64> = results.iter().filter_map(|figures| figures.get(number)).map(|it| it.value).collect();
        let shown: Vec<String> = values.iter().map(|value| rounded(*value)).collect();
        text.push_str(&format!("| {} | {} | {} |", first.what, first.unit, shown.join(" | ")));
        if let [ours, theirs] = values[..] {
            text.push_str(&format!(" {} | {} |", rounded(ours / theirs), verdict(first.goal, ours, ours / theirs)));
        }
        text.push('\n');
    }
    text
}

fn verdict(goal: Goal, ours: f64, ratio: f64) -> String {
    let (limit, met) = match goal {
        Goal::Ratio(limit) => (format!("ratio ≤ {limit:.2}"), ratio <= limit),
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
