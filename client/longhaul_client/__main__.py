from longhaul_client.command import main

main()
