"""Files for apps that use the Task Library, and the indexes that ScaNN's servers have; `task.task_library` reads them."""
