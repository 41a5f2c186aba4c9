import asyncio  # added
import json  # added
from datetime import datetime  # added
from longhaul_client import TaskManager, TaskNotFoundError  # added

class BreakpointTaskManager:
    """支持断点续传的任务管理器"""
    
    def __init__(self, checkpoint_file: str = 'task_checkpoint.json'):
        self.checkpoint_file = checkpoint_file
        self.checkpoints = self._load_checkpoints()
        self.manager = TaskManager()
    
    def _load_checkpoints(self) -> dict:
        """加载断点数据"""
        try:
            with open(self.checkpoint_file, 'r', encoding='utf-8') as f:
                return json.load(f)
        except FileNotFoundError:
            return {}
    
    def _save_checkpoints(self):
        """保存断点数据"""
        with open(self.checkpoint_file, 'w', encoding='utf-8') as f:
            json.dump(self.checkpoints, f, ensure_ascii=False, indent=2)
    
    async def create_full_refresh_with_checkpoint(self) -> str:
        """创建带断点续传的全量刷新任务"""
        
        task_id = await self.manager.create_full_refresh_task()
        
        # 初始化断点信息
        self.checkpoints[task_id] = {
            'type': 'full_refresh',
            'status': 'PENDING',
            'progress': 0,
            'current_step': '',
            'processed_provinces': [],
            'failed_provinces': [],
            'statistics': {
                'provinces_processed': 0,
                'cities_processed': 0,
                'districts_processed': 0,
                'hospitals_found': 0
            },
            'last_updated': datetime.now().isoformat()
        }
        
        self._save_checkpoints()
        return task_id
    
    async def resume_task(self, task_id: str) -> str:
        """恢复断点任务"""
        
        if task_id not in self.checkpoints:
            raise TaskNotFoundError(f"任务 {task_id} 没有断点记录")
        
        checkpoint = self.checkpoints[task_id]
        
        if checkpoint['status'] in ['SUCCEEDED', 'FAILED']:
            print(f"任务 {task_id} 已经完成，无法恢复")
            return task_id
        
        print(f"恢复任务 {task_id}，当前进度: {checkpoint['progress']}%")
        
        # 仍断点处继续执行
        # 这里需要实现具体的恢复逻辑
        await self._resume_from_checkpoint(task_id, checkpoint)
        
        return task_id
    
    async def _resume_from_checkpoint(self, task_id: str, checkpoint: dict):
        """仍断点恢复执行"""
        
        # 实现断点续传逻辑
        # 1. 检查已处理的数据
        # 2. 仍断点处继续处理
        # 3. 更新断点信息
        
        processed_provinces = checkpoint['processed_provinces']
        
        # 距取省份列表
        provinces_result = await self.manager.llm_client.get_provinces()
        all_provinces = [p['name'] for p in provinces_result['items']]
        
        # 仍断点处继续处理
        remaining_provinces = [
            p for p in all_provinces 
            if p not in processed_provinces
        ]
        
        print(f"仍断点恢复，还需要处理 {len(remaining_provinces)} 个省份")
        
        # 继续处理剩余省份...
        for province_name in remaining_provinces:
            try:
                # 处理省份数据
                await self._process_province_with_checkpoint(task_id, province_name)
                
                processed_provinces.append(province_name)
                checkpoint['processed_provinces'] = processed_provinces
                
                # 保存断点
                self._save_checkpoints()
                
            except Exception as e:
                print(f"处理省份 {province_name} 失败: {e}")
                checkpoint['failed_provinces'].append(province_name)
        
        # 任务完成
        checkpoint['status'] = 'SUCCEEDED'
        checkpoint['progress'] = 100
        checkpoint['last_updated'] = datetime.now().isoformat()
        self._save_checkpoints()

# 使用示例
breakpoint_manager = BreakpointTaskManager()

try:
    # 创建断点任务
    task_id = await breakpoint_manager.create_full_refresh_with_checkpoint()
    
    # 运行一段时间后可以中断
    await asyncio.sleep(300)  # 运行5分钟
    
    # 模拟任务不断...
    
    # 仍断点恢复
    await breakpoint_manager.resume_task(task_id)
    
except KeyboardInterrupt:
    print("任务被不断，仍断点恢复...")
    await breakpoint_manager.resume_task(task_id)
