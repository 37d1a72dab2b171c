module bookstore.local/devcluster/pause

go 1.24
