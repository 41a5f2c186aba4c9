import asyncio  # added
import time  # added
from longhaul_client import TaskManager  # added

class BatchTaskManager:
    """批重任务处理器"""
    
    def __init__(self, batch_size: int = 5):
        self.batch_size = batch_size
        self.manager = TaskManager()
    
    async def batch_create_province_tasks(self, provinces: list) -> list:
        """批量创建省份任务"""
        
        task_ids = []
        
        # 分批处理
        for i in range(0, len(provinces), self.batch_size):
            batch = provinces[i:i + self.batch_size]
            
            # 并发创建批次内的任务
            batch_tasks = []
            for province in batch:
                task_id = await self.manager.create_province_refresh_task(province)
                batch_tasks.append(task_id)
            
            task_ids.extend(batch_tasks)
            
            # 批次间适当延迟，避免API限流
            await asyncio.sleep(1)
        
        return task_ids
    
    async def monitor_batch_progress(self, task_ids: list):
        """监控批重任务进度"""
        
        completed_tasks = set()
        start_time = time.time()
        
        while len(completed_tasks) < len(task_ids):
            for task_id in list(task_ids):
                if task_id in completed_tasks:
                    continue
                
                try:
                    task = await self.manager.get_task_status(task_id)
                    
                    if task['status'] in ['SUCCEEDED', 'FAILED', 'CANCELLED']:
                        completed_tasks.add(task_id)
                        status = "✅" if task['status'] == 'SUCCEEDED' else "❌"
                        print(f"{status} 任务完成: {task_id}")
                    
                except Exception as e:
                    print(f"查询任务 {task_id} 失败: {e}")
            
            # 显示整体进度
            progress = len(completed_tasks) / len(task_ids) * 100
            elapsed_time = time.time() - start_time
            print(f"批量进度: {progress:.1f}% | 已用时: {elapsed_time/60:.1f} 分钟")
            
            await asyncio.sleep(5)

# 使用示例
batch_manager = BatchTaskManager(batch_size=3)

# 批量创建任务
target_provinces = [
    "广东省", "江苏省", "浙江省", "山东省", "河南省", 
    "湖北省", "湖南省", "福建省", "安徽省", "江西省"
]

task_ids = await batch_manager.batch_create_province_tasks(target_provinces)
print(f"已创建 {len(task_ids)} 个批重任务")

# 监控批量进度
await batch_manager.monitor_batch_progress(task_ids)
