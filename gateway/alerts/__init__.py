"""From signal to alert: grading, linking, intake, lifecycle and what an entry sets in motion."""
