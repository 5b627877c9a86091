"""The commands of a course, one module each.

Every module has ``PURPOSE`` and ``EXAMPLES`` (texts), ``add_arguments(parser)`` and ``run(chosen, course)``, which
returns the exit status. What a command needs is imported when it runs: a student has `check` without nbgrader.
"""
