from datetime import datetime  # added
from longhaul_client import TaskManager  # added

class TaskPerformanceAnalyzer:
    """任务性能分析器"""
    
    def __init__(self):
        self.manager = TaskManager()
    
    async def analyze_execution_performance(self) -> dict:
        """分析执行性能"""
        
        # 距取最近的任务数据
        tasks_result = await self.manager.list_tasks(page=1, page_size=200)
        tasks = tasks_result['items']
        
        # 按任务类友分析
        performance_by_type = {}
        
        for task in tasks:
            task_type = 'full_refresh' if '全量刷新' in task['hospital_name'] else 'province_refresh'
            
            if task_type not in performance_by_type:
                performance_by_type[task_type] = []
            
            # 计算执行时间
            start_time = datetime.fromisoformat(task['created_at'])
            end_time = datetime.fromisoformat(task['updated_at'])
            execution_time = (end_time - start_time).total_seconds()
            
            # 计算数据处理效砇
            hospitals_per_second = 0
            if task.get('statistics') and execution_time > 0:
                hospitals_found = task['statistics'].get('hospitals_found', 0)
                hospitals_per_second = hospitals_found / execution_time
            
            performance_by_type[task_type].append({
                'task_id': task['task_id'],
                'execution_time': execution_time,
                'hospitals_found': task.get('statistics', {}).get('hospitals_found', 0),
                'hospitals_per_second': hospitals_per_second,
                'success': task['status'] == 'SUCCEEDED'
            })
        
        # 计算统计数据
        analysis = {}
        for task_type, task_data in performance_by_type.items():
            successful_tasks = [t for t in task_data if t['success']]
            
            if successful_tasks:
                execution_times = [t['execution_time'] for t in successful_tasks]
                hospitals_rates = [t['hospitals_per_second'] for t in successful_tasks]
                
                analysis[task_type] = {
                    'total_tasks': len(task_data),
                    'successful_tasks': len(successful_tasks),
                    'success_rate': len(successful_tasks) / len(task_data) * 100,
                    'avg_execution_time': sum(execution_times) / len(execution_times),
                    'min_execution_time': min(execution_times),
                    'max_execution_time': max(execution_times),
                    'avg_hospitals_per_second': sum(hospitals_rates) / len(hospitals_rates),
                    'best_hospitals_per_second': max(hospitals_rates)
                }
        
        return analysis
    
    async def detect_performance_issues(self) -> list:
        """检测性能问题"""
        
        issues = []
        analysis = await self.analyze_execution_performance()
        
        for task_type, stats in analysis.items():
            # 检测执行时间异常
            if stats['avg_execution_time'] > 3600:  # 平均超过1小时
                issues.append({
                    'type': 'slow_execution',
                    'task_type': task_type,
                    'message': f"{task_type} 平均执行时间过长: {stats['avg_execution_time']/3600:.1f} 小时",
                    'severity': 'warning'
                })
            
            # 检测成功砇你
            if stats['success_rate'] < 95:
                issues.append({
                    'type': 'low_success_rate',
                    'task_type': task_type,
                    'message': f"{task_type} 成功砇过位: {stats['success_rate']:.2f}%",
                    'severity': 'error'
                })
            
            # 检测处理效砇你
            if stats['avg_hospitals_per_second'] < 1:  # 每秒处理少亭1个医院
                issues.append({
                    'type': 'low_efficiency',
                    'task_type': task_type,
                    'message': f"{task_type} 处理效砇过位: {stats['avg_hospitals_per_second']:.2f} 医院/秒",
                    'severity': 'warning'
                })
        
        return issues

# 使用示例
analyzer = TaskPerformanceAnalyzer()

# 分析执行性能
performance = await analyzer.analyze_execution_performance()
print("性能分析结果:")
for task_type, stats in performance.items():
    print(f"{task_type}:")
    print(f"  平均执行时间: {stats['avg_execution_time']/60:.1f} 分钟")
    print(f"  成功砇: {stats['success_rate']:.2f}%")
    print(f"  处理效砇: {stats['avg_hospitals_per_second']:.2f} 医院/秒")

# 检测性能问题
issues = await analyzer.detect_performance_issues()
if issues:
    print("\n发灰性能问题:")
    for issue in issues:
        print(f"[{issue['severity']}] {issue['message']}")
