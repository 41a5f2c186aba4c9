from longhaul_client import TaskManager  # added

manager = TaskManager()
task_id = await manager.create_province_refresh_task("广东省")
print(f"广东省刷新任务ID: {task_id}")
