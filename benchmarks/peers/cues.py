"""English cues for peers that bring none: NegEx (Chapman 2001) and ConText (Harkema 2009)."""

NEGATED_AHEAD = (
    "no", "not", "without", "no evidence of", "no sign of", "no signs of", "negative for",
    "free of", "absence of", "denies", "denied", "rule out", "ruled out", "r/o", "rules out",
    "fails to reveal", "never", "cannot see", "no radiographic evidence of", "no new",
    "without evidence of", "clear of", "resolution of", "absent", "neither", "nor", "lack of",
)  # fmt: skip
NEGATED_BEHIND = (
    "unlikely", "was ruled out", "is ruled out", "are ruled out", "were ruled out", "is absent",
    "are absent", "not seen", "not identified", "not present", "has resolved", "have resolved",
    "is not seen", "are not seen", "is not identified", "are not identified", "resolved",
)  # fmt: skip
UNCERTAIN_AHEAD = (
    "possible", "possibly", "may represent", "may be", "may reflect", "might be", "could be",
    "could represent", "suspicious for", "suspicion of", "suggesting", "suggestive of",
    "questionable", "concerning for", "versus", "vs", "cannot exclude", "can not exclude",
    "cannot rule out", "differential includes", "evaluate for", "rule out", "concern for",
    "possibility of", "presumed", "perhaps", "equivocal",
)  # fmt: skip
UNCERTAIN_BEHIND = (
    "cannot be excluded", "not excluded", "is not excluded", "can not be excluded",
    "is possible", "is suspected", "is questioned", "cannot be ruled out", "versus", "vs",
)  # fmt: skip
PSEUDO = (
    "no change", "no significant change", "no interval change", "not only", "no increase",
    "not certain if", "not certain whether", "not necessarily", "without difficulty",
    "no significant interval change", "no definite change", "without further", "no further",
)  # fmt: skip
TERMINATIONS = (
    "but", "however", "although", "though", "except", "aside from", "apart from", "which", "yet",
    "nevertheless", "still", "secondary to", "cause of", "source of", "otherwise", "with",
)  # fmt: skip
