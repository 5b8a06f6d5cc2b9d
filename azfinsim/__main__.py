from azfinsim.cli import main

main()
