// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end card: what was measured, and how to do the same by hand.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::ActResult;

/// The card as text.
pub(crate) fn card(acts: &[ActResult], ok: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(
        ["act", "noticed after", "interruption", "bound", "sent", "answered", "lost", "duplicated", "resent"]
            .map(Cell::new),
    );
    for act in acts {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(act.name.title()),
            number(format!("{:.1} ms", act.detect_ms)),
            number(format!("{:.1} ms", act.interruption_ms)),
            number(format!("< {} ms", act.name.bound_ms())),
            number(act.sent.to_string()),
            number(act.answered.to_string()),
            number(act.lost.to_string()),
            number(act.duplicated.to_string()),
            number(act.resent.to_string()),
        ]);
    }
    let mut card = format!("\n{table}\n");
    let verdict =
        if ok { "Every request was answered once, and right." } else { "Something was lost, duplicated or wrong." };
    let _ = writeln!(card, "\n{verdict} One session, {} servers lost under it.\n", acts.len());
    card += BY_HAND;
    card
}

const BY_HAND: &str = "By hand, on as many hosts as you like:
  rsp-registrar --profile fast                             # host A
  rsp pe run --pool echo --registrar A -- echo             # hosts B, C, ..
  rsp connect pool://A/echo                                # host D; then kill -9 the server that answers
";
