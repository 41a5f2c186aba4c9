import asyncio  # added
from longhaul_client import TaskManager  # added

async def monitor_task_lifecycle():
    manager = TaskManager()
    task_id = await manager.create_full_refresh_task()
    
    print(f"任务已创建: {task_id}")
    
    # 监控任务生命周期
    while True:
        task = await manager.get_task_status(task_id)
        
        status = task['status']
        progress = task['progress']
        current_step = task.get('current_step', '')
        
        print(f"[{status}] 进度: {progress}% - {current_step}")
        
        if status in ['SUCCEEDED', 'FAILED', 'CANCELLED']:
            print(f"任务结束，状态: {status}")
            
            if status == 'SUCCEEDED':
                print("任务成功完成!")
                # 可以访问任务结果
                if task.get('result'):
                    print(f"处理结果: {task['result']}")
            elif status == 'FAILED':
                print(f"任务失败: {task['error_message']}")
            elif status == 'CANCELLED':
                print("任务已被取消")
            
            break
        
        await asyncio.sleep(5)  # 每5秒检查一次

asyncio.run(monitor_task_lifecycle())
