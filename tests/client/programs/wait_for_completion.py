from longhaul_client import TaskManager  # added

manager = TaskManager()
task_id = await manager.create_full_refresh_task()

# 等待任务完成
final_status = await manager.wait_for_completion(
    task_id, 
    timeout=3600,  # 1小时超时
    poll_interval=5  # 每5秒检查一次
)

if final_status['status'] == 'SUCCEEDED':
    print("任务成功完成!")
else:
    print(f"任务失败: {final_status['error_message']}")
