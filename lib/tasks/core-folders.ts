/** The folders of lib that belong to the core, as do the modules directly in lib. */
export const coreFolders = ['call', 'gallery', 'row', 'tree'] as const;
