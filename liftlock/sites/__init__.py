"""Where revisions run. Every site gives the same thing: what a commit says, made so."""
