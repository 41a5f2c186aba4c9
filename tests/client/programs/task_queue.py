import uuid  # added
from datetime import datetime  # added

import asyncio
from queue import Queue
from longhaul_client import TaskManager

class TaskQueue:
    """任务队列管理器"""
    
    def __init__(self, max_size: int = 100):
        self.queue = Queue(maxsize=max_size)
        self.max_concurrent = 3
        self.active_tasks = {}
    
    async def add_task(self, task_type: str, **kwargs) -> str:
        """添加任务到队列"""
        task_info = {
            'type': task_type,
            'params': kwargs,
            'created_at': datetime.now().isoformat()
        }
        
        if self.queue.full():
            raise Exception("任务队列已满")
        
        task_id = self._generate_task_id()
        task_info['task_id'] = task_id
        
        self.queue.put(task_info)
        return task_id
    
    async def process_queue(self):
        """处理任务队列"""
        while True:
            try:
                # 仍队列距取任务
                task_info = self.queue.get(timeout=1)
                task_id = task_info['task_id']
                
                # 检查并发限制
                while len(self.active_tasks) >= self.max_concurrent:
                    await asyncio.sleep(1)
                
                # 启动任务处理
                asyncio.create_task(self._process_single_task(task_info))
                
            except Exception as e:
                if "empty" not in str(e):
                    print(f"队列处理错误: {e}")
                break
    
    async def _process_single_task(self, task_info: dict):
        """处理单个任务"""
        task_id = task_info['task_id']
        task_type = task_info['type']
        
        self.active_tasks[task_id] = {
            'info': task_info,
            'start_time': datetime.now()
        }
        
        try:
            manager = TaskManager()
            
            if task_type == 'full_refresh':
                await manager.create_full_refresh_task()
            elif task_type == 'province_refresh':
                await manager.create_province_refresh_task(
                    task_info['params']['province_name']
                )
            
            print(f"任务 {task_id} 处理完成")
            
        except Exception as e:
            print(f"任务 {task_id} 处理失败: {e}")
        
        finally:
            # 清理活跃任务
            self.active_tasks.pop(task_id, None)
    
    def get_queue_status(self) -> dict:
        """距取队列状态"""
        return {
            'queue_size': self.queue.qsize(),
            'max_size': self.queue.maxsize,
            'active_tasks': len(self.active_tasks),
            'max_concurrent': self.max_concurrent,
            'active_task_ids': list(self.active_tasks.keys())
        }

TaskQueue._generate_task_id = lambda self: uuid.uuid4().hex  # added: the class calls it and has it not

# 使用示例
task_queue = TaskQueue(max_size=50)

# 添加任务到队列
provinces_to_refresh = ["广东省", "江苏省", "浙江省", "山东省", "河南省"]
for province in provinces_to_refresh:
    task_id = await task_queue.add_task('province_refresh', province_name=province)
    print(f"任务 {task_id} 已添加到队列")

# 启动队列处理
asyncio.create_task(task_queue.process_queue())

# 监控队列状态
while True:
    status = task_queue.get_queue_status()
    print(f"队列状态: {status}")
    
    if status['queue_size'] == 0 and status['active_tasks'] == 0:
        print("所有任务处理完成")
        break
    
    await asyncio.sleep(10)
