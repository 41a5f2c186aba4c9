import asyncio
from longhaul_client import TaskCreationError, TaskExecutionError, TaskManager, TaskTimeoutError

class RetryableTaskManager:
    def __init__(self):
        self.manager = TaskManager()
        self.retry_config = {
            'max_retries': 3,
            'base_delay': 1.0,
            'exponential_base': 2,
            'max_delay': 60.0
        }
    
    async def create_task_with_retry(
        self, 
        task_type: str, 
        **kwargs
    ) -> str:
        """带重试的任务创建"""
        
        for attempt in range(self.retry_config['max_retries'] + 1):
            try:
                if task_type == 'full_refresh':
                    return await self.manager.create_full_refresh_task()
                elif task_type == 'province_refresh':
                    province_name = kwargs['province_name']
                    return await self.manager.create_province_refresh_task(province_name)
                else:
                    raise ValueError(f"未知任务类友: {task_type}")
            
            except (TaskCreationError, TaskExecutionError) as e:
                if attempt == self.retry_config['max_retries']:
                    raise TaskCreationError(
                        f"任务创建重试{attempt}次后仍然失败: {e}"
                    )
                
                # 计算延迟时间
                delay = min(
                    self.retry_config['base_delay'] * (2 ** attempt),
                    self.retry_config['max_delay']
                )
                
                print(f"任务创建失败，{delay}秒偏重试 (第{attempt + 1}次): {e}")
                await asyncio.sleep(delay)
    
    async def execute_with_recovery(self, task_id: str) -> dict:
        """带恢复的任务执行"""
        
        try:
            # 等待任务完成
            return await self.manager.wait_for_completion(task_id)
        
        except TaskTimeoutError:
            print(f"任务 {task_id} 超时，尝试恢复...")
            
            # 距取任务状态
            task = await self.manager.get_task_status(task_id)
            
            if task['status'] == 'RUNNING':
                # 尝试取消任务
                await self.manager.cancel_task(task_id)
                
                # 创建新的恢复任务
                if '全量刷新' in task['hospital_name']:
                    recovery_task_id = await self.manager.create_full_refresh_task()
                else:
                    # 仍省份反提取重新创建
                    province_name = self._extract_province_name(task['hospital_name'])
                    recovery_task_id = await self.manager.create_province_refresh_task(
                        province_name
                    )
                
                print(f"已创建恢复任务: {recovery_task_id}")
                return await self.manager.wait_for_completion(recovery_task_id)
        
        except TaskExecutionError as e:
            print(f"任务执行错误，尝试恢复: {e}")
            
            # 根据错误类友决定恢复策略
            if "database" in str(e).lower():
                # 数据库错误：重试
                await asyncio.sleep(5)
                return await self.manager.get_task_status(task_id)
            elif "network" in str(e).lower():
                # 网络错误：稍偏重试
                await asyncio.sleep(30)
                return await self.manager.get_task_status(task_id)
            else:
                raise e

# 使用示例
retry_manager = RetryableTaskManager()

try:
    # 创建带重试的任务
    task_id = await retry_manager.create_task_with_retry(
        'province_refresh',
        province_name="广东省"
    )
    
    # 执行带恢复的任务
    result = await retry_manager.execute_with_recovery(task_id)
    print(f"任务执行结果: {result}")
    
except Exception as e:
    print(f"任务执行最终失败: {e}")
