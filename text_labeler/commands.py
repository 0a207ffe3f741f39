"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

import typer

from text_labeler.combine_command import combine
from text_labeler.compile_command import compile_labeler
from text_labeler.explain_command import explain_profile, explain_report
from text_labeler.mine_command import mine
from text_labeler.score_command import score

app = typer.Typer()
app.command()(mine)
app.command(name="explain-report")(explain_report)
app.command(name="explain-profile")(explain_profile)
app.command()(score)
app.command(name="compile")(compile_labeler)
app.command()(combine)
