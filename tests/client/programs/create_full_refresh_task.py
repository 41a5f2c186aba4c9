from longhaul_client import TaskManager  # added

manager = TaskManager()
task_id = await manager.create_full_refresh_task()
print(f"任务ID: {task_id}")
