"""The benchmark runner: peers (who), jobs (what), measure (how), report (tables, targets)."""
