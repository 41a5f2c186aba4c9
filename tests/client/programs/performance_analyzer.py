from longhaul_client import TaskPerformanceAnalyzer  # added

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
