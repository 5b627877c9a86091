"""Write, prove and release assignments; and a made-up class that shows what grading does."""
