"""Writes files for apps with the Task Library, and reads server-side ScaNN indexes. `task.task_library` reads the files."""
