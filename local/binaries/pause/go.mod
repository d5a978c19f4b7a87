// The container that holds a pod's namespaces open: `pause` of a real cluster, whose image cannot be fetched in a closed network.
module tenantry.dev/local/binaries/pause

go 1.24.0
