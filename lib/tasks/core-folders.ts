/** Folders of lib that belong to the core, like the modules beside them. */
export const coreFolders = ['call', 'gallery', 'row', 'tree'] as const;
