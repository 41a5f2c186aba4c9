from longhaul_client import TaskManager  # added

manager = TaskManager()

# 清理7天前完成的任务
cleaned_count = await manager.cleanup_old_tasks(
    older_than_days=7,
    status_filter=['SUCCEEDED', 'FAILED']
)
print(f"已清理 {cleaned_count} 个旧任务")
