"""The task core: submit, dispatch, steps, progress, close, recover. Rows are the truth, messages are hints."""
