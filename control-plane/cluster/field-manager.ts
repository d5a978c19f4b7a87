/** Under which name the control plane's writes stand in managedFields. */
export const fieldManager = 'tenantry-control-plane';
