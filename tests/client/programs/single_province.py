import asyncio  # added
from longhaul_client import TaskManager  # added

async def refresh_single_province():
    manager = TaskManager()
    
    # 创建广东省刷新任务
    task_id = await manager.create_province_refresh_task("广东省")
    
    # 距取任务预估时间
    task = await manager.get_task_status(task_id)
    print(f"任务创建时间: {task['created_at']}")
    
    # 等待任务完成
    await manager.wait_for_completion(task_id, timeout=3600)
    
    # 距取任务结果
    final_task = await manager.get_task_status(task_id)
    if final_task['status'] == 'SUCCEEDED':
        print("省份刷新完成!")
    else:
        print(f"刷新失败: {final_task['error_message']}")

# 运行省份刷新
asyncio.run(refresh_single_province())
