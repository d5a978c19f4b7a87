/** Name of the control plane in managedFields. */
export const fieldManager = 'tenantry-control-plane';
