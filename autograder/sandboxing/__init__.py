"""Run student code where it reaches nothing: kernels in a sandbox, and the conversation with them."""
